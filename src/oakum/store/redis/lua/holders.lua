#!lua flags=no-writes
-- holders(): {number, identity, lease, fenced, report} of each
local found = {}
for place, number in ipairs(call('ZRANGE', P .. 'holders', 0, -1)) do
  found[place] = {number, unpack(call('HMGET', P .. 'holder:' .. number, 'identity', 'lease', 'fenced', 'report'))}
end
return found
