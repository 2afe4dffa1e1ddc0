-- What all verbs stand on: the store is of the version that they are written for, and open.
local version, notice = unpack(call('HMGET', P .. 'meta', 'version', 'store.notice'))

-- A worker of an older version ends what it has begun, unless a step since then has made that wrong.
local function may_end()
  local oldest, reached = call('HGET', P .. 'meta', 'oldest'), version and version:match('%d+')
  return MAY_WHEN_SHUT and oldest and tonumber(oldest) <= VERSION and VERSION < tonumber(reached or 0)
end

if version ~= text_of(VERSION) and not may_end() then
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

-- Names of tasks and queues as small numbers: a name stands once in the store.
local function number_of(text)
  return tonumber(call('HGET', P .. 'number', text) or nil)
end

local function name_of(number)
  return call('HGET', P .. 'text', number)
end

-- The names of numbers, as they are told: a number, its name, the next one. Of all there are it would be thousands.
local function names_of(numbers)
  local names = {}
  for number in pairs(numbers) do
    names[#names + 1] = number
    names[#names + 1] = name_of(number)
  end
  return names
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
