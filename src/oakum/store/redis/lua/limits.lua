-- Rules of queues and tasks, what they hold, and how many of their jobs may start now.

local function read_rules(kind, name)
  local packed = call('HGET', P .. 'override:' .. kind, name) or call('HGET', P .. 'declared:' .. kind, name)
  local rules = packed and cmsgpack.unpack(packed) or {}
  return {
    packed = packed, max_jobs = rules[1], max_bytes = rules[2], on_full = rules[3], limit = rules[4],
    rate = rules[5], key_limit = rules[6] or 1, key_rate = rules[7],
  }
end

local known_rules = {queue = {}, task = {}, store = {}}  -- by kind and name

-- The rules in force; without bounds where there are none.
local function rules_of(kind, name)
  local known = known_rules[kind]
  known[name] = known[name] or read_rules(kind, name)
  return known[name]
end

local rules_by_queue = {}

local function queue_rules(number)
  local rules = rules_by_queue[number]
  if not rules then
    rules = rules_of('queue', name_of(number))
    rules_by_queue[number] = rules
  end
  return rules
end

-- Whether a queue lets go of its oldest jobs: only then is it known which those are.
local function is_tracked(rules)
  return rules.on_full == 'drop_oldest' and (rules.max_jobs or rules.max_bytes)
end

-- How many jobs, and bytes of payload, have come into each state of a queue and task: written once a call.
local tallies = {}

local function add_to_tally(job, state, jobs, bytes)
  local place = (job.queue * 65536 + job.task) * 16 + state
  local tally = tallies[place]
  if not tally then
    tally = {queue = job.queue, task = job.task, state = state, jobs = 0, bytes = 0}
    tallies[place] = tally
  end
  tally.jobs = tally.jobs + jobs
  tally.bytes = tally.bytes + bytes
end

local function count(job, state, jobs)
  add_to_tally(job, state, jobs, jobs * payload_bytes(job))
end

local function move(job, state)
  local bytes = payload_bytes(job)
  add_to_tally(job, job.state, -1, -bytes)
  add_to_tally(job, state, 1, bytes)
  job.state = state
end

local function add_up(key, changes)
  for field, change in pairs(changes) do
    if change ~= 0 and call('HINCRBY', key, field, text_of(change)) == 0 then
      call('HDEL', key, field)
    end
  end
end

-- What bounds and limits ask for: of a queue its unfinished jobs and bytes, and those that run; of a task its running jobs.
local function write_counts()
  local jobs, bytes, loads = {}, {}, {}
  local function add(kind, number, change)
    local field = kind .. ':' .. number
    loads[field] = (loads[field] or 0) + change
  end
  for _, tally in pairs(tallies) do
    local field = tally.queue .. ':' .. tally.task .. ':' .. tally.state
    jobs[field], bytes[field] = tally.jobs, tally.bytes
    if tally.state < COMPLETED then
      add('jobs', tally.queue, tally.jobs)
      add('bytes', tally.queue, tally.bytes)
    end
    if tally.state == RUNNING then
      add('queue', tally.queue, tally.jobs)
      add('busy', tally.queue, tally.bytes)
      add('task', tally.task, tally.jobs)
    end
  end
  add_up(P .. 'load', loads)
  add_up(P .. 'jobs', jobs)
  add_up(P .. 'bytes', bytes)
  tallies = {}
end

local function load(kind, number)
  return tonumber(call('HGET', P .. 'load', kind .. ':' .. number) or 0)
end

-- The generic cell rate algorithm, as in oakum.model.bounds; `rate` is {count, period}, `field` whose it is.
local function arrival_of(field)
  return tonumber(call('ZSCORE', P .. 'arrivals', field) or 0)
end

local function may_start(rate, field, now)
  local free = (now + rate[2] - math.max(arrival_of(field), now)) * rate[1] / rate[2]
  return math.max(0, math.min(rate[1], math.floor(free + 1e-9)))
end

local function note_starts(rate, field, now, starts)
  local arrival = math.max(arrival_of(field), now) + starts * rate[2] / rate[1]
  call('ZADD', P .. 'arrivals', string.format('%.17g', arrival), field)
end

local function opens(rate, field)
  return math.ceil(arrival_of(field) - rate[2] + rate[2] / rate[1])
end

-- The rates that are spent and that available jobs wait for, as {kind, name, when the next may start}.
local function spent_rates(now)
  local found, seen = {}, {}
  local function look_at(kind, number)
    local field = kind .. ':' .. number
    local name = not seen[field] and name_of(number)
    local rate = name and rules_of(kind, name).rate
    seen[field] = true
    if rate and may_start(rate, field, now) == 0 then
      found[#found + 1] = {kind, name, opens(rate, field)}
    end
  end
  if call('EXISTS', P .. 'declared:queue', P .. 'override:queue', P .. 'declared:task', P .. 'override:task') > 0 then
    for _, number in ipairs(call('HVALS', P .. 'number')) do
      for place, task in ipairs(call('SMEMBERS', P .. 'open:' .. number)) do
        if place == 1 then
          look_at('queue', number)
        end
        look_at('task', task)
      end
    end
  end
  return found
end

-- How many jobs of a queue or task may start: asked once a call, and counted down.
local allowances = {}

local function allowance(kind, number, name, now)
  local field = kind .. ':' .. number
  if not allowances[field] then
    local rules = rules_of(kind, name)
    local left = math.huge
    if rules.limit then
      left = rules.limit - load(kind, number)
    end
    if rules.rate then
      left = math.min(left, may_start(rules.rate, field, now))
    end
    allowances[field] = {left = left, rate = rules.rate, started = 0}
  end
  return allowances[field]
end

local function use(allowed)
  allowed.left, allowed.started = allowed.left - 1, allowed.started + 1
end

local function note_rates(now)
  for field, allowed in pairs(allowances) do
    if allowed.rate and allowed.started > 0 then
      note_starts(allowed.rate, field, now, allowed.started)
    end
  end
end
