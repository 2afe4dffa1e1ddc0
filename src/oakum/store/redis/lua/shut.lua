#!lua flags=allow-oom
-- shut(notice): shuts the store, or opens it where there is none
if ARGS[1] then
  call('HSET', P .. 'meta', 'store.notice', ARGS[1])
else
  call('HDEL', P .. 'meta', 'store.notice')
end
ring('work')
ring('results')
ring('room')
