-- The end of a job, whoever ends it: its record stays until `keep`, its place and its keys are given back.
local DAY = 86400000

local function finish(job, state, ended, keep, record, now)
  move(job, state)
  job.holder = 0
  set(job, CANCEL, false)
  job.tail = struct.pack('>I8', ended) .. record
  put_in(P .. 'ended', seat(job), keep)
  give_place_back(job, now)
  local idempotency = bonds_of(job).idempotency
  if idempotency then
    call('ZADD', P .. 'stale', now + DAY, idempotency)
  end
  put(job)
end

-- `ending` is {state, record, how long it is kept}.
local function end_waiting(job, ending, now)
  leave(job)
  finish(job, ending[1], now, now + ending[3], ending[2], now)
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

-- The start of a job's wait for a worker: it is available, or held behind its key.
local function make_available(job)
  change(job, take_place(job) and AVAILABLE or HELD)
  put(job)
end

-- Ends what has expired and makes available what is due; how many changed, at most `limit`.
local function promote(now, limit, expired)
  local late = call('ZRANGEBYSCORE', P .. 'expiring', '-inf', now, 'LIMIT', 0, limit)
  for _, member in ipairs(late) do
    end_waiting(get(member:sub(7)), expired, now)
  end
  flush()
  if #late > 0 then
    ring('results')
    ring('room')
  end
  local due = call('ZRANGEBYSCORE', P .. 'due', '-inf', now, 'LIMIT', 0, limit - #late)
  for _, member in ipairs(due) do
    make_available(get(member:sub(7)))
  end
  flush()
  return #late + #due
end
