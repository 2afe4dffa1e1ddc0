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
local SUSPECT, CANCEL, RICH, STORY, PLACED = 1, 2, 4, 8, 16  -- flags of a record
local PAGE = 64  -- jobs: small enough for Redis to keep the records of a page in one piece of memory
local LARGEST_NUMBER = 65535
local LOWEST = string.rep('\0', 16)

-- A command with any number of arguments, some thousands at a time: Lua's stack is bounded.
local function many(command, key, args)
  for first = 1, #args, 2000 do
    call(command, key, unpack(args, first, math.min(first + 1999, #args)))
  end
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

-- Records: one string a job, in pages by id, ids in order. See records.py for the layout.
local HEAD = '>BBI4I4I6I6hHHI4HBI4I4'

local function unpack_job(id, raw)
  local job = {id = id}
  local what, bonds, place
  job.state, job.flags, job.token, job.holder, job.seq, job.run_at, job.priority, job.queue, job.task,
    job.tries, job.crashes, job.over, what, bonds, place = struct.unpack(HEAD, raw)
  job.what = raw:sub(place, place + what - 1)
  job.bonds = raw:sub(place + what, place + what + bonds - 1)
  job.tail = raw:sub(place + what + bonds)
  return job
end

local function pack_job(job)
  return struct.pack(HEAD, job.state, job.flags, job.token, job.holder, job.seq, job.run_at, job.priority,
    job.queue, job.task, job.tries, job.crashes, job.over, #job.what, #job.bonds) .. job.what .. job.bonds .. job.tail
end

local function has(job, flag)
  return bit.band(job.flags, flag) ~= 0
end

local function set(job, flag, on)
  job.flags = on and bit.bor(job.flags, flag) or bit.band(job.flags, bit.bnot(flag))
end

local function payload_bytes(job)
  return has(job, RICH) and #cmsgpack.unpack(job.what)[1] or #job.what
end

local function expiry(job)
  return has(job, RICH) and cmsgpack.unpack(job.what)[2] or nil
end

local NO_BONDS = {}

local function bonds_of(job)
  if job.bonds == '' then
    return NO_BONDS
  end
  local bonds = cmsgpack.unpack(job.bonds)
  return {
    idempotency = bonds[2], key = bonds[3],
    unique = bonds[4], conflict = bonds[5], states = bonds[6], period = bonds[7], latest = bonds[8],
  }
end

local function page_of(id)
  local first = call('ZREVRANGEBYLEX', P .. 'pages', '[' .. id, '-', 'LIMIT', 0, 1)[1]
  return P .. 'page:' .. (first or LOWEST)
end

local here  -- the page of the last job: the next one is probably there
local unwritten, pages = {}, {}  -- records by id, and those of each page as arguments: written once a call

local function get(id)
  local raw = unwritten[id]
  if raw then
    return unpack_job(id, raw)
  end
  raw = here and call('HGET', here, id)
  if not raw then
    here = page_of(id)
    raw = call('HGET', here, id)
  end
  if raw then
    local job = unpack_job(id, raw)
    job.page = here
    return job
  end
end

local function put(job)
  local raw = pack_job(job)
  job.page = job.page or page_of(job.id)
  unwritten[job.id] = raw
  local page = pages[job.page] or {}
  page[#page + 1] = job.id
  page[#page + 1] = raw
  pages[job.page] = page
  return raw
end

local function write_records()
  for page, args in pairs(pages) do
    many('HSET', page, args)
  end
  unwritten, pages = {}, {}
end

-- Makes room for an id that belongs to a full page. Ids nearly always rise: then it begins a page of its own.
local function split(page, id)
  write_records()
  here = nil
  local sorted = P .. 'sorted'
  for _, each in ipairs(call('HKEYS', page)) do
    call('ZADD', sorted, 0, each)
  end
  call('ZADD', sorted, 0, id)
  local rank = call('ZRANK', sorted, id)
  local size = call('ZCARD', sorted)
  local first = rank == size - 1 and rank or math.floor(size / 2)
  local moved = call('ZRANGE', sorted, first, -1)
  call('DEL', sorted)
  local new = P .. 'page:' .. moved[1]
  call('ZADD', P .. 'pages', 0, moved[1])
  for _, each in ipairs(moved) do
    local raw = call('HGET', page, each)
    if raw then
      call('HSET', new, each, raw)
      call('HDEL', page, each)
    end
  end
  return rank >= first and new or page
end

local sizes, is_split = {}, {}  -- of pages, as far as this call has looked

-- The page for a new id, with room in it; `page` is where it was looked for.
local function page_for(id, page)
  if is_split[page] then
    page = page_of(id)
  end
  local size = sizes[page] or call('HLEN', page)
  if size == 0 then
    call('ZADD', P .. 'pages', 0, page:sub(#P + 6))
  elseif size >= PAGE then
    sizes[page], is_split[page] = nil, true
    page = split(page, id)
    size = sizes[page] or call('HLEN', page)
  end
  sizes[page] = size + 1
  return page
end

local function take_out(job)
  call('HDEL', job.page, job.id)
  if call('EXISTS', job.page) == 0 then
    call('ZREM', P .. 'pages', job.page:sub(#P + 6))
    here = nil
  end
end

local function ring(topic)
  call('PUBLISH', P .. topic, '')
end
