#!lua flags=allow-oom
-- renew(holder, lease_until, report): whether it still had its rights
local key = P .. 'holder:' .. ARGS[1]
if call('HGET', key, 'fenced') ~= '0' then
  return 0
end
call('HSET', key, 'lease', ARGS[2], 'report', ARGS[3])
return 1
