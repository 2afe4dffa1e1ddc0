#!lua flags=no-writes
-- schedules(due, after, limit): name, row, name, row... by name, or those due earliest first
local due, after, limit = unpack(ARGS, 1, 3)
local names
if due then
  names = call('ZRANGEBYSCORE', P .. 'ticks', '-inf', due, 'LIMIT', 0, limit)
else
  names = call('ZRANGEBYLEX', P .. 'schedules', after == '' and '-' or '(' .. after, '+', 'LIMIT', 0, limit)
end
local found = {}
for _, name in ipairs(names) do
  found[#found + 1] = name
  found[#found + 1] = call('HGET', P .. 'schedule', name)
end
return found
