#!lua flags=allow-oom
-- rule(which, kind, rules): {name, packed rules or nil} of each, as the code declares or an operator says ('override').
-- Answers the queues that let go of their oldest jobs and don't know yet which those are: see track.lua; and those whose
-- keys have more places now: see seat.lua.
local key, kind = P .. ARGS[1] .. ':' .. ARGS[2], ARGS[2]
local changed, untracked, roomier = false, {}, {}
for _, each in ipairs(ARGS[3]) do
  local name, packed = each[1], each[2]
  local places = rules_of(kind, name).key_limit
  known_rules[kind][name] = nil
  if (call('HGET', key, name) or nil) ~= packed then
    changed = true
    if packed then
      call('HSET', key, name, packed)
    else
      call('HDEL', key, name)
    end
  end
  if kind == 'queue' and rules_of(kind, name).key_limit > places then
    roomier[#roomier + 1] = name
  end
  if kind == 'queue' and is_tracked(rules_of(kind, name)) then
    if call('SISMEMBER', P .. 'tracked', name) == 0 then
      untracked[#untracked + 1] = name
    end
  elseif kind == 'queue' and call('SREM', P .. 'tracked', name) == 1 then
    call('UNLINK', P .. 'waiting:' .. number_of(name))
  end
end
if changed then
  ring('work')
  ring('room')
end
return {untracked, roomier}
