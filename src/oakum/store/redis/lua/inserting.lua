-- Jobs on their way in, as oakum.model.intake says: looked at first, all of them, then written.
-- A job comes as {id, queue, task, priority, run_at, flags, what, bonds}, its names as places in a list.

-- What the rest of this call is about to change: states of jobs by id, and what queues will then hold less of.
local ahead = {states = {}, loads = {}}

local function job_of(row, names, numbers, now)
  local job = {
    id = row[1], queue = numbers[row[2]], task = numbers[row[3]], priority = row[4], run_at = row[5], flags = row[6],
    what = row[7], bonds = row[8], state = SCHEDULED, token = 0, holder = 0, tries = 0, crashes = 0, over = 0, tail = '',
    queue_name = names[row[2]], task_name = names[row[3]], later = row[5] > now, given_run_at = row[5],
  }
  if job.run_at == 0 then
    job.run_at = now
  end
  return job
end

local function created(id)
  return (struct.unpack('>I6', id))
end

local function stored_owner(key)
  local id = call('HGET', P .. 'unique', key)
  local job = id and get(id)
  return job and {
    id = id, state = ahead.states[id] or job.state, created = created(id), started = job.token > 0, job = job,
  }
end

-- Who stands in the way of a job with a unique key, if anybody.
local function unique_owner(bonds, plan, now)
  local mate = plan.unique[bonds.unique]
  local owner = stored_owner(bonds.unique)
  if mate then
    owner = {id = mate.id, state = mate.later and SCHEDULED or AVAILABLE, created = now, job = mate, fresh = true}
  end
  if not owner or (bonds.period and now - owner.created >= bonds.period) then
    return nil
  end
  for _, state in ipairs(bonds.states) do
    if state == owner.state then
      return owner
    end
  end
end

local function idempotency_owner(key, plan, now)
  if plan.idempotency[key] then
    return plan.idempotency[key]
  end
  local stale = tonumber(call('ZSCORE', P .. 'stale', key) or nil)
  return (not stale or stale > now) and call('HGET', P .. 'idempotency', key)
end

-- What a job does to the one that stands in its way.
local function stand_behind(job, bonds, owner, plan, now)
  local waiting = owner.state < COMPLETED and owner.state ~= RUNNING
  if bonds.conflict == 'keep' or not waiting or owner.started then
    return
  end
  local start = owner.fresh and owner.job.given_run_at or 0  -- 0: as it is
  if bonds.conflict == 'debounce' then
    start = job.run_at
    if bonds.latest then
      start = math.min(start, owner.created + bonds.latest)
    end
  end
  if owner.fresh then
    local mate = owner.job
    for _, field in ipairs({'queue', 'queue_name', 'task', 'task_name', 'flags', 'what', 'rich', 'bonds', 'priority'}) do
      mate[field] = job[field]
    end
    mate.given_run_at, mate.later, mate.run_at = start, start > now, start > 0 and start or now
  else
    plan.replaced[#plan.replaced + 1] = {id = owner.id, by = job, run_at = start}
  end
end

-- Sorts jobs out into fresh ones, marks and replacements; a refusal where a unique key is to reject.
local function sort_out(names, numbers, rows, now)
  local plan = {fresh = {}, ids = {}, marks = {}, replaced = {}, unique = {}, idempotency = {}}
  for place, row in ipairs(rows) do
    local job = job_of(row, names, numbers, now)
    if not plan.ids[job.id] and is_new(job.id) then
      local bonds = bonds_of(job)
      local owner = bonds.unique and unique_owner(bonds, plan, now)
      local keeper = not owner and bonds.idempotency and idempotency_owner(bonds.idempotency, plan, now)
      if owner and bonds.conflict == 'reject' then
        return nil, {'duplicate', job.task_name, owner.id, owner.state}
      elseif owner or keeper then
        plan.marks[#plan.marks + 1] = {place - 1, owner and owner.id or keeper}
        if owner then
          stand_behind(job, bonds, owner, plan, now)
        end
      else
        plan.ids[job.id] = true
        plan.fresh[#plan.fresh + 1] = job
        if bonds.unique then
          plan.unique[bonds.unique] = job
        end
        if bonds.idempotency then
          plan.idempotency[bonds.idempotency] = job.id
        end
      end
    end
  end
  return plan
end

local function fits(rules, jobs, bytes)
  return (not rules.max_jobs or jobs <= rules.max_jobs) and (not rules.max_bytes or bytes <= rules.max_bytes)
end

local function coming_load(kind, queue)
  return load(kind, queue) + (ahead.loads[kind .. ':' .. queue] or 0)
end

local function refusal(name, rules, jobs, bytes, more, size)
  return {'full', name, rules.packed, jobs, bytes, more, size}
end

-- Adds to the plan what a full queue lets go of, and what the queue holds then; a refusal where nothing may go.
local function make_room(plan, queue, jobs)
  local name = jobs[1].queue_name
  local rules = rules_of('queue', name)
  local held = {jobs = coming_load('jobs', queue), bytes = coming_load('bytes', queue)}
  local size = 0
  for _, job in ipairs(jobs) do
    size = size + payload_bytes(job)
  end
  local total, bytes = held.jobs + #jobs, held.bytes + size
  local function drop(job)
    job.dropped = true
    total, bytes = total - 1, bytes - payload_bytes(job)
  end
  local stuck = not fits(rules, coming_load('queue', queue) + 1, coming_load('busy', queue) + 1)
  if rules.on_full == 'drop_newest' then
    for place = #jobs, 1, -1 do
      if fits(rules, total, bytes) then
        break
      end
      drop(jobs[place])
    end
  elseif rules.on_full == 'drop_oldest' and not stuck then
    local at = 0
    while not fits(rules, total, bytes) do
      local oldest = call('ZRANGE', P .. 'waiting:' .. queue, at, at)[1]
      if not oldest then
        break
      end
      local job = get(oldest:sub(7))
      plan.evicted[#plan.evicted + 1] = {id = job.id, queue_name = name}
      total, bytes, at = total - 1, bytes - payload_bytes(job), at + 1
    end
    for _, job in ipairs(jobs) do
      if fits(rules, total, bytes) then
        break
      end
      drop(job)
    end
  elseif not fits(rules, total, bytes) then
    return refusal(name, rules, held.jobs, held.bytes, #jobs, size)
  end
  plan.holds[queue] = {jobs = total, bytes = bytes}
end

-- A replacement may be larger than what it replaces.
local function check_replacement(plan, each)
  local job = get(each.id)
  local name = name_of(job.queue)
  local rules = rules_of('queue', name)
  local holds = plan.holds[job.queue] or {jobs = coming_load('jobs', job.queue), bytes = coming_load('bytes', job.queue)}
  local growth = payload_bytes(each.by) - payload_bytes(job)
  if not fits(rules, holds.jobs, holds.bytes + math.max(0, growth)) then
    return refusal(name, rules, holds.jobs, holds.bytes, 0, math.max(0, growth))
  end
  plan.holds[job.queue] = {jobs = holds.jobs, bytes = holds.bytes + growth}
end

local function check_room(plan)
  plan.evicted, plan.holds = {}, {}
  local by_queue = {}
  for _, job in ipairs(plan.fresh) do
    local rules = rules_of('queue', job.queue_name)
    if rules.max_jobs or rules.max_bytes then
      by_queue[job.queue] = by_queue[job.queue] or {}
      table.insert(by_queue[job.queue], job)
    end
  end
  for queue, jobs in pairs(by_queue) do
    local refused = make_room(plan, queue, jobs)
    if refused then
      return refused
    end
  end
  for _, each in ipairs(plan.replaced) do
    local refused = check_replacement(plan, each)
    if refused then
      return refused
    end
  end
end

local function write_new(job, seq, ending, now)
  local bonds = bonds_of(job)
  job.seq = seq
  if bonds.unique then
    call('HSET', P .. 'unique', bonds.unique, job.id)
  end
  if bonds.idempotency then
    call('HSET', P .. 'idempotency', bonds.idempotency, job.id)
    call('ZREM', P .. 'stale', bonds.idempotency)
  end
  give_page(job.id)
  if not job.dropped and not job.later then
    job.state = take_place(job) and AVAILABLE or HELD
  end
  count(job, job.state, 1)
  if job.dropped then
    return finish(job, ending[1], now, now + ending[3], ending[2], now)
  end
  enter(job)
  put(job)
end

local function replace(each, now)
  local job, by = get(each.id), each.by
  if job.state >= COMPLETED then  -- let go of by this same call
    return
  end
  leave(job)
  count(job, job.state, -1)
  job.what, job.rich, job.priority = by.what, by.rich, by.priority
  set(job, RICH, has(by, RICH))
  if each.run_at > 0 then
    give_place_back(job, now)
    job.state, job.run_at = SCHEDULED, each.run_at
    if each.run_at <= now then
      job.state = take_place(job) and AVAILABLE or HELD
    end
  end
  count(job, job.state, 1)
  enter(job)
  put(job)
end

-- How a job ends that a full queue lets go of is told for each queue, with the rules that the words were made for.
local function ask_for_ending(plan, dropped)
  for _, jobs in ipairs({plan.evicted, plan.fresh}) do
    for _, job in ipairs(jobs) do
      local known = dropped[job.queue_name]
      local packed = rules_of('queue', job.queue_name).packed
      if (jobs == plan.evicted or job.dropped) and not (known and known[1] == packed) then
        return {'ending', job.queue_name, packed}
      end
    end
  end
end

-- What is to become of jobs: a plan, or nil and a refusal. Nothing has been written but names.
local function plan_insert(names, rows, now, dropped)
  local numbers = {}
  for place, text in ipairs(names) do
    numbers[place] = make_number(text)
  end
  local plan, refused = sort_out(names, numbers, rows, now)
  refused = refused or check_room(plan) or ask_for_ending(plan, dropped)
  if refused then
    return nil, refused
  end
  plan.dropped = dropped
  return plan
end

local function insert(plan, now)
  for _, each in ipairs(plan.evicted) do
    end_waiting(get(each.id), plan.dropped[each.queue_name][2], now)
  end
  local seq = call('HINCRBY', P .. 'meta', 'seq', #plan.fresh) - #plan.fresh
  for place, job in ipairs(plan.fresh) do
    write_new(job, seq + place, job.dropped and plan.dropped[job.queue_name][2], now)
  end
  for _, each in ipairs(plan.replaced) do
    replace(each, now)
  end
  flush()
  keep_top()
  return plan.marks
end
