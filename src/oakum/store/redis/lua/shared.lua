-- What all scripts stand on. Every key begins with the prefix in KEYS[1], a hash tag, so that all lie in one slot.
-- Nothing is rolled back in a script: each verb looks first and writes last.
local P = KEYS[1]
local ARGS = ARGV[1] and cmsgpack.unpack(ARGV[1])
local call = redis.call

local version, notice = unpack(call('HMGET', P .. 'meta', 'version', 'store.notice'))
if version ~= VERSION then
  error({err = 'OAKUMVERSION'})
end
if notice and not MAY_WHEN_SHUT then
  error({err = 'OAKUMSHUT ' .. notice .. '\t'})  -- behind it the server says which script
end

-- For scripts that fill the store: somebody may be at work in one that is not shut for that.
local function check_arriving()
  if not notice or notice:sub(1, 9) ~= 'arriving ' then
    error({err = 'OAKUMOPEN'})
  end
end

local AVAILABLE, RUNNING, SCHEDULED, HELD, COMPLETED = 0, 1, 2, 3, 4
local LARGEST_NUMBER = 65535

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

-- Names of tasks and queues as small numbers: a name stands once in the store.
local function number_of(text)
  return tonumber(call('HGET', P .. 'number', text) or nil)
end

local function name_of(number)
  return call('HGET', P .. 'text', number)
end

local function make_number(text)
  local number = number_of(text)
  if not number then
    number = call('HLEN', P .. 'number') + 1
    if number > LARGEST_NUMBER then
      error({err = 'OAKUM the store knows ' .. LARGEST_NUMBER .. ' names of tasks and queues, and takes no more'})
    end
    call('HSET', P .. 'number', text, number)
    call('HSET', P .. 'text', number, text)
  end
  return number
end

local function ring(topic)
  call('PUBLISH', P .. topic, '')
end
