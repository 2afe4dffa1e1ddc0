-- Records: one string a job, in pages by id, ids in order. See records.py for the layout.
local HEAD = '>BBI4I4I6I6hHHI4HBI4I4'
local SUSPECT, CANCEL, RICH, STORY, PLACED = 1, 2, 4, 8, 16  -- flags of a record
local PAGE = 64  -- jobs: small enough for Redis to keep the records of a page in one piece of memory
local LOWEST, HIGHEST = string.rep('\0', 16), string.rep('\255', 16)

-- The fields come into the table all at once: one that grows field by field is made anew five times.
local function unpack_job(id, raw)
  local state, flags, token, holder, seq, run_at, priority, queue, task, tries, crashes, over, what, bonds, place =
    struct.unpack(HEAD, raw)
  return {
    id = id, state = state, flags = flags, token = token, holder = holder, seq = seq, run_at = run_at,
    priority = priority, queue = queue, task = task, tries = tries, crashes = crashes, over = over,
    what = raw:sub(place, place + what - 1),
    bonds = raw:sub(place + what, place + what + bonds - 1),
    tail = raw:sub(place + what + bonds),
  }
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

-- What a job with the flag RICH is to do; unpacked once, since it is asked for again and again.
local function rich_of(job)
  job.rich = job.rich or cmsgpack.unpack(job.what)
  return job.rich
end

local function payload_bytes(job)
  return has(job, RICH) and #rich_of(job)[1] or #job.what
end

local function expiry(job)
  return has(job, RICH) and rich_of(job)[2] or nil
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

-- Whether one id is less than another. By numbers: Lua would compare strings by the language of the server.
local function precedes(one, other)
  local a, b, c = struct.unpack('>I6I6I4', one)
  local x, y, z = struct.unpack('>I6I6I4', other)
  if a ~= x then
    return a < x
  end
  if b ~= y then
    return b < y
  end
  return c < z
end

local function page_of(id)
  local first = call('ZREVRANGEBYLEX', P .. 'pages', '[' .. id, '-', 'LIMIT', '0', '1')[1]
  return P .. 'page:' .. (first or LOWEST)
end

local records, homes = {}, {}  -- by id, as this call read and wrote them: records, and the pages where ids lie or belong
local looks = {}  -- by page: how many ids were looked up there
local unwritten = {}  -- by page: ids and records, written once a call

-- Reads all of a page that is one piece of memory: that costs as much as two or three of its records one by one.
-- Longer records lie apart, and of those only the ids are read.
local function read_page(page)
  local whole = call('OBJECT', 'ENCODING', page) == 'listpack'
  local found = call(whole and 'HGETALL' or 'HKEYS', page)
  for place = 1, #found, whole and 2 or 1 do
    local id = found[place]
    homes[id] = page
    records[id] = records[id] or (whole and found[place + 1])
  end
end

-- The record of a job; false where there is none.
local function record_of(id)
  local page = homes[id]
  if not page then
    page = page_of(id)
    homes[id] = page
    looks[page] = (looks[page] or 0) + 1
    if looks[page] == 2 then
      read_page(page)
    end
  end
  return records[id] or call('HGET', page, id)
end

local function get(id)
  local raw = record_of(id)
  return raw and unpack_job(id, raw)
end

local function put(job)
  local id, raw = job.id, pack_job(job)
  local page = homes[id] or page_of(id)
  local args = unwritten[page] or {}
  args[#args + 1] = id
  args[#args + 1] = raw
  unwritten[page] = args
  records[id] = raw
  return raw
end

local function write_records()
  for page, args in pairs(unwritten) do
    many('HSET', page, args)
  end
  unwritten = {}
end

local function take_out(job)
  local page = homes[job.id] or page_of(job.id)
  call('HDEL', page, job.id)
  records[job.id] = nil
  if call('EXISTS', page) == 0 then
    call('ZREM', P .. 'pages', page:sub(#P + 6))
  end
end

-- New ids nearly always are above all that came before: such a one need not be looked for, and goes to the end of the last page.
local top  -- the greatest id of all, as far as this call has looked
local rising, last_page = {}, nil  -- ids that were above all others, and where the next such goes
local sizes = {}  -- of pages, as far as this call has looked

local function read_top()
  local greatest = call('HGET', P .. 'meta', 'top')
  if not greatest then  -- nothing was put in yet, or by an Oakum that did not keep it
    greatest = LOWEST
    for _, id in ipairs(call('HKEYS', page_of(HIGHEST))) do
      greatest = precedes(greatest, id) and id or greatest
    end
  end
  return greatest
end

local function keep_top()
  if next(rising) then
    call('HSET', P .. 'meta', 'top', top)
  end
end

local function is_new(id)
  top = top or read_top()
  if precedes(top, id) then
    top, rising[id] = id, true
    return true
  end
  return not record_of(id)
end

-- Begins a page at an id. What was known of the pages where ids belong may no longer be so.
local function begin_page(id)
  call('ZADD', P .. 'pages', '0', id)
  homes, looks, last_page = {}, {}, nil
  local page = P .. 'page:' .. id
  sizes[page] = 0
  return page
end

-- Divides a full page between what is below its middle and what is above, `id` with it; where that belongs then.
local function split(page, id)
  write_records()
  local ids = call('HKEYS', page)
  ids[#ids + 1] = id
  table.sort(ids, precedes)
  if ids[#ids] == id then
    return begin_page(id)
  end
  local middle = math.floor(#ids / 2) + 1
  local new, moved, home = begin_page(ids[middle]), {}, page
  for place = middle, #ids do
    if ids[place] == id then
      home = new
    else
      moved[#moved + 1] = ids[place]
    end
  end
  local args = {}
  for place, raw in ipairs(call('HMGET', page, unpack(moved))) do
    args[2 * place - 1], args[2 * place] = moved[place], raw
  end
  many('HSET', new, args)
  many('HDEL', page, moved)
  sizes[page], sizes[new] = #ids - 1 - #moved, #moved
  return home
end

-- Gives a new id its page, with room in it.
local function give_page(id)
  local page = rising[id] and last_page or homes[id] or page_of(id)
  local size = sizes[page] or call('HLEN', page)
  if size == 0 then
    call('ZADD', P .. 'pages', '0', page:sub(#P + 6))
  elseif size >= PAGE then
    page = rising[id] and begin_page(id) or split(page, id)
    size = sizes[page]
  end
  homes[id], sizes[page] = page, size + 1
  if rising[id] then
    last_page = page
  end
end
