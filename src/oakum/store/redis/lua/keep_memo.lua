#!lua flags=allow-oom
-- keep_memo(name, value): keeps a value under a name
call('HSET', P .. 'memo', ARGS[1], ARGS[2])
