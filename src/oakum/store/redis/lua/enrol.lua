#!lua flags=allow-oom
-- enrol(identity, lease_until): the number of a new holder
local number = call('HINCRBY', P .. 'meta', 'holder', 1)
call('HSET', P .. 'holder:' .. number, 'identity', ARGS[1], 'lease', ARGS[2], 'fenced', 0, 'report', '')
call('ZADD', P .. 'holders', number, number)
return number
