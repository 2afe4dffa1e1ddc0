#!lua
-- write_schedule({name, version, next, spec, state}, holder, names, jobs, now, dropped): see Store.write_schedule; whether it
-- did, or a refusal of its jobs
local row, holder, names, jobs, now, dropped = unpack(ARGS, 1, 6)
local name, version, next_tick, spec, state = unpack(row, 1, 5)
local kept = call('HGET', P .. 'schedule', name)
if holder and call('HGET', P .. 'holder:' .. holder, 'fenced') ~= '0' then
  return {false, 0}
end
if version ~= (kept and struct.unpack('>I8', kept) or 0) + 1 then
  return {false, 0}
end
local plan, refused = plan_insert(names, jobs, now, dropped)
if refused then
  return {refused}
end
call('HSET', P .. 'schedule', name, struct.pack('>I8I8I4', version, next_tick or 0, #spec) .. spec .. state)
call('ZADD', P .. 'schedules', 0, name)
call('ZREM', P .. 'ticks', name)
if next_tick then
  call('ZADD', P .. 'ticks', next_tick, name)
end
if #jobs > 0 then
  insert(plan, now)
  ring('work')
end
return {false, 1}
