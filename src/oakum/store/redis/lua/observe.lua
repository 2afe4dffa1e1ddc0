#!lua flags=allow-oom
-- observe(changes): {task, what was read, what is to be there} of each; whether nobody came between
for _, each in ipairs(ARGS[1]) do
  if (call('HGET', P .. 'stats', each[1]) or '') ~= each[2] then
    return 0
  end
end
for _, each in ipairs(ARGS[1]) do
  call('HSET', P .. 'stats', each[1], each[3])
end
return 1
