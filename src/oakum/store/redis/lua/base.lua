-- What all scripts stand on. Every key begins with the prefix in KEYS[1], a hash tag, so that all lie in one slot.
-- Nothing is rolled back in a script: each looks first and writes last.
local P = KEYS[1]
local ARGS = ARGV[1] and cmsgpack.unpack(ARGV[1])
local call = redis.call

-- A command with any number of arguments, some thousands at a time: Lua's stack is bounded.
local function many(command, key, args)
  for first = 1, #args, 2000 do
    call(command, key, unpack(args, first, math.min(first + 1999, #args)))
  end
end

-- A whole number as an argument: Redis writes numbers as fractions of 17 digits, which takes it longer.
local function text_of(number)
  return string.format('%d', number)
end
