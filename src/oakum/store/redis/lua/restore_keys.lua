#!lua
-- restore_keys(keys): gives keys to their jobs, each {kind, key, id, when it is given back}
check_arriving()
for _, row in ipairs(ARGS[1]) do
  local kind, key, id, back = unpack(row, 1, 4)
  call('HSET', P .. kind, key, id)
  if back then
    call('ZADD', P .. 'stale', back, key)
  end
end
