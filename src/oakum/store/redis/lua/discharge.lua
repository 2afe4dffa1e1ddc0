#!lua flags=allow-oom
-- discharge(holder): whether it held nothing, and is forgotten
if call('EXISTS', P .. 'held:' .. ARGS[1]) == 1 then
  return 0
end
call('DEL', P .. 'holder:' .. ARGS[1], P .. 'asked:' .. ARGS[1])
call('ZREM', P .. 'holders', ARGS[1])
return 1
