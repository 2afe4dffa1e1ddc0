-- Keys of a queue: as many jobs of one key have a place as its rules say, the others are held behind them.

local function places_of(job, key)
  return P .. 'placed:' .. job.queue .. ':' .. key
end

local function goes_before(one, other)
  if one.priority ~= other.priority then
    return one.priority > other.priority
  end
  if one.run_at ~= other.run_at then
    return one.run_at < other.run_at
  end
  return one.seq < other.seq
end

-- Of those that have a place and were never started the last one, if it comes after `job`.
local function one_behind(job, places)
  local last
  for _, member in ipairs(call('ZRANGE', places, 0, -1)) do
    local mate = get(member:sub(7))
    if mate.state == AVAILABLE and mate.token == 0 and goes_before(job, mate) and not (last and goes_before(mate, last)) then
      last = mate
    end
  end
  return last
end

-- Whether a job may be available: it gets a place of its key, perhaps that of one which comes later.
local function take_place(job)
  local key = bonds_of(job).key
  if not key or has(job, PLACED) then
    return true
  end
  local places = places_of(job, key)
  if call('ZCARD', places) >= queue_rules(job.queue).key_limit then
    local last = one_behind(job, places)
    if not last then
      return false
    end
    call('ZREM', places, seat(last))
    set(last, PLACED, false)
    stand(last, false)
    last.run_at = math.min(last.run_at, (struct.unpack('>I6', last.id)))  -- where it stood when it came in
    move(last, HELD)
    stand(last, true)
    put(last)
  end
  call('ZADD', places, 0, seat(job))
  set(job, PLACED, true)
  return true
end

-- Free places of a key go to those held longest, who then start at `now`, nil: as they were.
local function pass_on(queue, key, now)
  local any = {queue = queue}
  local places = places_of(any, key)
  local free = queue_rules(queue).key_limit - call('ZCARD', places)
  local held = free > 0 and call('ZRANGE', line_of_key(any, key), 0, free - 1) or {}
  for _, member in ipairs(held) do
    local mate = get(member:sub(13))
    call('ZADD', places, 0, seat(mate))
    set(mate, PLACED, true)
    stand(mate, false)
    mate.run_at = now or mate.run_at
    move(mate, AVAILABLE)
    stand(mate, true)
    put(mate)
  end
end

local function give_place_back(job, now)
  if not has(job, PLACED) then
    return
  end
  set(job, PLACED, false)
  local key = bonds_of(job).key
  call('ZREM', places_of(job, key), seat(job))
  pass_on(job.queue, key, now)
end
