#!lua
-- write_schedule({name, version, next, spec, state}, holder, names, jobs, now): see Store.write_schedule
local row, holder, names, jobs, now = unpack(ARGS, 1, 5)
local name, version, next_tick, spec, state = unpack(row, 1, 5)
local kept = call('HGET', P .. 'schedule', name)
if holder and call('HGET', P .. 'holder:' .. holder, 'fenced') ~= '0' then
  return 0
end
if version ~= (kept and struct.unpack('>I8', kept) or 0) + 1 then
  return 0
end
call('HSET', P .. 'schedule', name, struct.pack('>I8I8I4', version, next_tick or 0, #spec) .. spec .. state)
call('ZADD', P .. 'schedules', 0, name)
call('ZREM', P .. 'ticks', name)
if next_tick then
  call('ZADD', P .. 'ticks', next_tick, name)
end
if #jobs > 0 then
  insert(names, jobs, now)
  ring('work')
end
return 1
