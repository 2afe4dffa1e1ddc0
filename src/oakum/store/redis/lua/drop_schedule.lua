#!lua flags=allow-oom
-- drop_schedule(name): whether it was there
call('ZREM', P .. 'ticks', ARGS[1])
call('ZREM', P .. 'schedules', ARGS[1])
return call('HDEL', P .. 'schedule', ARGS[1])
