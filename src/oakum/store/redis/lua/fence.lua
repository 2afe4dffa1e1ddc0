#!lua flags=allow-oom
-- fence(holder, seen_lease): whether it is fenced now
local key = P .. 'holder:' .. ARGS[1]
local fenced, lease = unpack(call('HMGET', key, 'fenced', 'lease'))
if fenced == '1' then
  return 1
end
if not fenced or tonumber(lease) ~= ARGS[2] then
  return 0
end
call('HSET', key, 'fenced', 1)
return 1
