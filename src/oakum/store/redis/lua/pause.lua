#!lua flags=allow-oom
-- pause(queue, paused): stops or restarts the handing out of a queue's jobs
call(ARGS[2] and 'SADD' or 'SREM', P .. 'paused', ARGS[1])
ring('work')
