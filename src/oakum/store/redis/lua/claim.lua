#!lua flags=allow-oom
-- claim(holder, queues, weights, room, limit, payload, now, stamp, again, expired): see Store.claim.
-- `stamp` marks what this claim takes. When its answer was lost it is asked for `again`, and gets the same jobs.
local holder, queues, weights, room, limit, payload, now, stamp, again, expired = unpack(ARGS)
local CHUNK = 100
local LARGEST = 1000  -- jobs put off, or promoted, in one call
local held = P .. 'held:' .. holder

local function taken_before()
  local found = {}
  local all = call('HGETALL', held)
  for place = 2, #all, 2 do
    if all[place]:sub(17) == stamp then
      local id = all[place]:sub(1, 16)
      found[#found + 1] = id
      found[#found + 1] = record_of(id)
    end
  end
  return found
end

local function refill(line)
  local rows = call('ZRANGE', line.key, line.seen, line.seen + CHUNK - 1, 'WITHSCORES')
  line.rows, line.at, line.seen = rows, 1, line.seen + #rows / 2
end

-- The next job of a line, by numbers that compare: Lua would compare strings by the server's language.
local function look(line)
  if line.at > #line.rows then
    refill(line)
  end
  local place = line.rows[line.at]
  line.place, line.id = place, place and place:sub(13)
  if place then
    line.rank = tonumber(line.rows[line.at + 1])
    line.run_at, line.seq = struct.unpack('>I6I6', place)
  end
end

local function comes_before(one, other)
  if one.rank ~= other.rank then
    return one.rank < other.rank
  end
  if one.run_at ~= other.run_at then
    return one.run_at < other.run_at
  end
  return one.seq < other.seq
end

local function first_of(lines)
  local best
  for _, line in ipairs(lines) do
    if line.id and line.allowed.left > 0 and (not best or comes_before(line, best)) then
      best = line
    end
  end
  return best
end

-- The lines of a queue that the worker can take from, one a task.
local function lines_of(queue)
  local number = number_of(queue)
  local lines = {}
  if not number or call('SISMEMBER', P .. 'paused', queue) == 1 then
    return lines
  end
  local tasks = call('SMEMBERS', P .. 'open:' .. number)
  local texts = #tasks > 0 and call('HMGET', P .. 'text', unpack(tasks)) or {}
  for place, task in ipairs(tasks) do
    local weight = weights[texts[place]]
    if weight and weight <= ARGS[4] then
      local line = {
        key = ready_key(number, task), weight = weight, rows = {}, at = 1, seen = 0,
        allowed = allowance('task', task, texts[place], now),
      }
      look(line)
      lines[#lines + 1] = line
    end
  end
  return lines
end

local found, holding = {}, {}
local named = {}  -- numbers of their queues and tasks
local put_off = 0

local function start(job, place)
  leave(job, place)
  move(job, RUNNING)
  named[job.queue], named[job.task] = true, true
  job.holder, job.token = holder, job.token + 1
  found[#found + 1] = job.id
  found[#found + 1] = put(job)
  holding[#holding + 1] = text_of(job.seq)
  holding[#holding + 1] = job.id .. stamp
end

-- Whether the rate of a job's key lets it start; if not it is put off until it may.
local function key_allows(job, rate)
  local key = rate and bonds_of(job).key
  if not key then
    return true
  end
  local field = 'key:' .. job.queue .. ':' .. key
  if may_start(rate, field, now) > 0 then
    return true, field
  end
  leave(job)
  move(job, SCHEDULED)
  job.run_at = opens(rate, field)
  enter(job)
  put(job)
  put_off = put_off + 1
  return false
end

local function take(queue)
  local lines = lines_of(queue)
  if #lines == 0 then
    return
  end
  local allowed = allowance('queue', number_of(queue), queue, now)
  local rate = rules_of('queue', queue).key_rate
  while allowed.left > 0 and put_off < LARGEST do
    local line = first_of(lines)
    if not line then
      return
    end
    local job = get(line.id)
    local expires = expiry(job)
    local allows, field = true, nil
    if expires and expires <= now then
      allows = false
    else
      allows, field = key_allows(job, rate)
    end
    if allows then
      local size = payload_bytes(job)
      if line.weight > room or limit == 0 or (#found > 0 and size > payload) then
        return
      end
      room, limit, payload = room - line.weight, limit - 1, payload - size
      use(allowed)
      use(line.allowed)
      if field then
        note_starts(rate, field, now, 1)
      end
      start(job, line.place)
    end
    line.at = line.at + 2
    look(line)
  end
end

if call('HGET', P .. 'holder:' .. holder, 'fenced') ~= '0' then
  return {{}, {}}
end
local before = again and taken_before() or {}
if #before > 0 then
  return {call('HGETALL', P .. 'text'), before}
end
promote(now, LARGEST, expired)
for _, queue in ipairs(queues) do
  take(queue)
end
flush()
note_rates(now)
many('HSET', held, holding)
return {names_of(named), found}
