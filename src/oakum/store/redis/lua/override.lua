#!lua flags=allow-oom
-- override(kind, name, packed rules or nil): an operator's word, or none
if ARGS[3] then
  call('HSET', P .. 'override:' .. ARGS[1], ARGS[2], ARGS[3])
else
  call('HDEL', P .. 'override:' .. ARGS[1], ARGS[2])
end
ring('work')
ring('room')
