-- What all scripts stand on. Every key begins with the prefix in KEYS[1], a hash tag, so that all lie in one slot.
-- Nothing is rolled back in a script: each verb looks first and writes last.
local P = KEYS[1]
local ARGS = ARGV[1] and cmsgpack.unpack(ARGV[1])
local call = redis.call

if call('HGET', P .. 'meta', 'version') ~= VERSION then
  error({err = 'OAKUMVERSION'})
end

local AVAILABLE, RUNNING, SCHEDULED, HELD, COMPLETED = 0, 1, 2, 3, 4
local SUSPECT, CANCEL, RICH, STORY = 1, 2, 4, 8  -- flags of a record
local PAGE = 64  -- jobs: small enough for Redis to keep the records of a page in one piece of memory
local LARGEST_NUMBER = 65535
local LOWEST = string.rep('\0', 16)

-- A command with any number of arguments, some thousands at a time: Lua's stack is bounded.
local function many(command, key, args)
  for first = 1, #args, 2000 do
    call(command, key, unpack(args, first, math.min(first + 1999, #args)))
  end
end

local function push(map, key, ...)
  local list = map[key]
  if not list then
    list = {}
    map[key] = list
  end
  for place = 1, select('#', ...) do
    list[#list + 1] = (select(place, ...))
  end
end

-- Names of tasks and queues as small numbers: a name stands once in the store.
local function number_of(text)
  return tonumber(call('HGET', P .. 'number', text) or nil)
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

local function bonds_of(job)
  if job.bonds == '' then
    return {}
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

local function get(id)
  local raw = here and call('HGET', here, id)
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
  call('HSET', job.page, job.id, raw)
  return raw
end

-- Makes room for an id that belongs to a full page. Ids nearly always rise: then it begins a page of its own.
local function split(page, id)
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

local sizes = {}  -- of pages, as far as this call has looked

local function put_new(job, page)
  local size = sizes[page] or call('HLEN', page)
  if size == 0 then
    call('ZADD', P .. 'pages', 0, page:sub(#P + 6))
  elseif size >= PAGE then
    sizes[page] = nil
    page = split(page, job.id)
    size = sizes[page] or call('HLEN', page)
  end
  sizes[page] = size + 1
  job.page = page
  put(job)
end

local function take_out(job)
  call('HDEL', job.page, job.id)
  if call('EXISTS', job.page) == 0 then
    call('ZREM', P .. 'pages', job.page:sub(#P + 6))
    here = nil
  end
end

-- How many jobs, and bytes of payload, are in each state: changed with them, written once a call.
local jobs_delta, bytes_delta = {}, {}

local function count(job, state, jobs)
  local field = job.queue .. ':' .. job.task .. ':' .. state
  jobs_delta[field] = (jobs_delta[field] or 0) + jobs
  bytes_delta[field] = (bytes_delta[field] or 0) + jobs * payload_bytes(job)
end

local function move(job, state)
  count(job, job.state, -1)
  job.state = state
  count(job, state, 1)
end

local function add_up(key, delta)
  for field, change in pairs(delta) do
    if change ~= 0 and call('HINCRBY', key, field, change) == 0 then
      call('HDEL', key, field)
    end
  end
end

-- The sorted sets that a job stands in while it waits: ready by (priority, run_at, sequence), due, and expiring.
local function seat(job)
  return struct.pack('>I6', job.seq) .. job.id
end

local function place_in_line(job)
  return struct.pack('>I6I6', job.run_at, job.seq) .. job.id
end

local function ready_key(queue, task)
  return P .. 'ready:' .. queue .. ':' .. task
end

local additions, removals = {}, {}

local function enter(job)
  if job.state == AVAILABLE then
    push(additions, ready_key(job.queue, job.task), -job.priority, place_in_line(job))
  elseif job.state == SCHEDULED then
    push(additions, P .. 'due', job.run_at, seat(job))
  end
  local expires = expiry(job)
  if expires then
    push(additions, P .. 'expiring', expires, seat(job))
  end
end

local function leave(job)
  if job.state == AVAILABLE then
    push(removals, ready_key(job.queue, job.task), place_in_line(job))
  elseif job.state == SCHEDULED then
    push(removals, P .. 'due', seat(job))
  end
  if expiry(job) then
    push(removals, P .. 'expiring', seat(job))
  end
end

-- Which tasks of a queue have jobs ready: what a claim looks into.
local function note_open(key, open)
  local queue, task = key:match('ready:(%d+):(%d+)$', #P)
  if queue then
    call(open and 'SADD' or 'SREM', P .. 'open:' .. queue, task)
  end
end

-- What bounds and limits ask: unfinished jobs and bytes of a queue, running jobs of a queue and of a task.
local function add_to_loads()
  local loads = {}
  local function add(field, change)
    loads[field] = (loads[field] or 0) + change
  end
  for field, change in pairs(jobs_delta) do
    local queue, task, state = field:match('(%d+):(%d+):(%d+)')
    state = tonumber(state)
    if state < COMPLETED then
      add('jobs:' .. queue, change)
      add('bytes:' .. queue, bytes_delta[field])
    end
    if state == RUNNING then
      add('queue:' .. queue, change)
      add('task:' .. task, change)
    end
  end
  add_up(P .. 'load', loads)
end

local function load(kind, number)
  return tonumber(call('HGET', P .. 'load', kind .. ':' .. number) or 0)
end

local function flush()
  for key, args in pairs(removals) do
    many('ZREM', key, args)
    if not additions[key] and call('EXISTS', key) == 0 then
      note_open(key, false)
    end
  end
  for key, args in pairs(additions) do
    many('ZADD', key, args)
    note_open(key, true)
  end
  additions, removals = {}, {}
  add_to_loads()
  add_up(P .. 'jobs', jobs_delta)
  add_up(P .. 'bytes', bytes_delta)
  jobs_delta, bytes_delta = {}, {}
end

-- The end of a job, whoever ends it: its record stays until `keep`, its keys are given back.
local DAY = 86400000

local function release_keys(job, now)
  local bonds = bonds_of(job)
  if bonds.unique and call('HGET', P .. 'unique', bonds.unique) == job.id then
    call('HDEL', P .. 'unique', bonds.unique)
  end
  if bonds.idempotency then
    call('ZADD', P .. 'stale', now + DAY, bonds.idempotency)
  end
end

local function drop_log(ref, token)
  local key = P .. 'story:' .. ref
  local log = call('HGET', key, 'log:' .. token)
  if log then
    call('HDEL', key, 'log:' .. token)
    call('ZREM', P .. 'logs', ref .. ':' .. token)
    call('HINCRBY', P .. 'meta', 'logs', -#log)
  end
end

local function drop_story(ref)
  for _, field in ipairs(call('HKEYS', P .. 'story:' .. ref)) do
    local token = field:match('^log:(.*)')
    if token then
      drop_log(ref, token)
    end
  end
  call('DEL', P .. 'story:' .. ref)
end

local function finish(job, state, ended, keep, record, now)
  move(job, state)
  job.holder = 0
  set(job, CANCEL, false)
  job.tail = struct.pack('>I8', ended) .. record
  push(additions, P .. 'ended', keep, seat(job))
  release_keys(job, now)
  put(job)
end

-- `ending` is {state, record, how long it is kept}.
local function end_waiting(job, ending, now)
  leave(job)
  finish(job, ending[1], now, now + ending[3], ending[2], now)
end

local function by_seat(members)
  local jobs = {}
  for place, member in ipairs(members) do
    jobs[place] = get(member:sub(7))
  end
  return jobs
end

-- Ends what has expired and makes available what is due; how many changed, at most `limit`.
local function promote(now, limit, expired)
  local late = by_seat(call('ZRANGEBYSCORE', P .. 'expiring', '-inf', now, 'LIMIT', 0, limit))
  for _, job in ipairs(late) do
    end_waiting(job, expired, now)
  end
  flush()
  local due = by_seat(call('ZRANGEBYSCORE', P .. 'due', '-inf', now, 'LIMIT', 0, limit - #late))
  for _, job in ipairs(due) do
    push(removals, P .. 'due', seat(job))
    move(job, AVAILABLE)
    push(additions, ready_key(job.queue, job.task), -job.priority, place_in_line(job))
    put(job)
  end
  flush()
  return #late + #due
end

local function ring(topic)
  call('PUBLISH', P .. topic, '')
end
