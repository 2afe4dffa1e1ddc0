-- In front of a batch of the step to VERSION. A store that is past it, or not yet so far, is left alone.
local version, cursor = unpack(call('HMGET', P .. 'meta', 'version', 'cursor'))
if version == text_of(VERSION - 1) then  -- from now on no program of that version begins anything
  call('HSET', P .. 'meta', 'version', 'to ' .. VERSION)
  call(ENDS and 'HSETNX' or 'HSET', P .. 'meta', 'oldest', ENDS and VERSION - 1 or VERSION)
elseif version ~= 'to ' .. VERSION then
  return 0
end

-- Where the next batch goes on, nil after the last one; whether there is a next one.
local function go_on(place)
  if place then
    call('HSET', P .. 'meta', 'cursor', place)
    return 1
  end
  call('HDEL', P .. 'meta', 'cursor')
  call('HSET', P .. 'meta', 'version', VERSION)
  return 0
end
