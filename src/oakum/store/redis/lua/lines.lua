-- The sorted sets that a job stands in while it waits. Changes are gathered, and written once a call.

local function seat(job)
  return struct.pack('>I6', job.seq) .. job.id
end

-- Behind the priority, which is the score, bytes that compare as start time and sequence do.
local function place_in_line(job)
  return struct.pack('>I6I6', job.run_at, job.seq) .. job.id
end

local ready_keys = {}

local function ready_key(queue, task)
  local place = queue * 65536 + task
  local key = ready_keys[place]
  if not key then
    key = P .. 'ready:' .. queue .. ':' .. task
    ready_keys[place] = key
  end
  return key
end

local function line_of_key(job, key)
  return P .. 'line:' .. job.queue .. ':' .. key
end

-- By sorted set: members in the order in which they changed, near ones together, and the score of each, false to remove it.
local pending = {}

local function put_in(set, member, score)
  local changes = pending[set]
  if not changes then
    changes = {members = {}, scores = {}}
    pending[set] = changes
  end
  if changes.scores[member] == nil then
    changes.members[#changes.members + 1] = member
  end
  changes.scores[member] = score
end

-- `place` is the job's place in the line of those ready, where it is known.
local function stand(job, here, place)
  if job.state == AVAILABLE then
    put_in(ready_key(job.queue, job.task), place or place_in_line(job), here and -job.priority)
  elseif job.state == SCHEDULED then
    put_in(P .. 'due', seat(job), here and job.run_at)
  elseif job.state == HELD then  -- at once: whoever leaves a place looks there
    local line = line_of_key(job, bonds_of(job).key)
    if here then
      call('ZADD', line, -job.priority, place_in_line(job))
    else
      call('ZREM', line, place_in_line(job))
    end
  end
end

-- Into the sets of its state, and out of them. Out of the state itself, `leave` comes first.
local function enter(job)
  stand(job, true)
  local expires = expiry(job)
  if expires then
    put_in(P .. 'expiring', seat(job), expires)
  end
  if is_tracked(queue_rules(job.queue)) then
    put_in(P .. 'waiting:' .. job.queue, seat(job), job.seq)
  end
end

local function leave(job, place)
  stand(job, false, place)
  if expiry(job) then
    put_in(P .. 'expiring', seat(job), false)
  end
  if is_tracked(queue_rules(job.queue)) then
    put_in(P .. 'waiting:' .. job.queue, seat(job), false)
  end
end

-- From one waiting state into another.
local function change(job, state)
  stand(job, false)
  move(job, state)
  stand(job, true)
end

-- Which tasks of a queue have jobs ready: what a claim looks into.
local function note_open(set)
  local queue, task = set:match('ready:(%d+):(%d+)$', #P)
  if queue then
    call(call('EXISTS', set) == 1 and 'SADD' or 'SREM', P .. 'open:' .. queue, task)
  end
end

local function flush()
  for set, changes in pairs(pending) do
    local added, removed = {}, {}
    for _, member in ipairs(changes.members) do
      local score = changes.scores[member]
      if score then
        added[#added + 1] = text_of(score)
        added[#added + 1] = member
      else
        removed[#removed + 1] = member
      end
    end
    many('ZREM', set, removed)
    many('ZADD', set, added)
    note_open(set)
  end
  pending = {}
  write_records()
  write_counts()
end
