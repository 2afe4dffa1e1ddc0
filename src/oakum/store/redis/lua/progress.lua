#!lua flags=allow-oom
-- progress(notes, holder): {ref, note} of each; those that the holder does not hold are passed over
for _, each in ipairs(ARGS[1]) do
  if call('HEXISTS', P .. 'held:' .. ARGS[2], each[1]) == 1 then
    call('HSET', P .. 'progress', each[1], each[2])
  end
end
ring('results')
