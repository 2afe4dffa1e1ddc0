#!lua flags=allow-oom
-- declare(kind, rules): {name, packed rules or nil} of each; writes what is not known already
for _, each in ipairs(ARGS[2]) do
  local key = P .. 'declared:' .. ARGS[1]
  if not each[2] then
    call('HDEL', key, each[1])
  elseif call('HGET', key, each[1]) ~= each[2] then
    call('HSET', key, each[1], each[2])
  end
end
