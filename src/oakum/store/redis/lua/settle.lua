#!lua flags=allow-oom
-- settle(settlements, holder, now, not_again, names, dropped, starts kept, bytes of logs kept): see Store.settle; the late
-- ones, or a refusal of what follows.
-- A settlement: {id, ref, token, state, run_at, ended, keep_until, tries, crashes, over, suspect, record, story, log, follow or nil}.
local settlements, holder, now, not_again, names, dropped, starts_kept, logs_kept = unpack(ARGS)
local late, follow, gone = {}, {}, {}
local again = false

local function keep_log(job, log)
  call('HSET', P .. 'story:' .. job.seq, 'log:' .. job.token, log)
  call('ZADD', P .. 'logs', job.seq, job.seq .. ':' .. job.token)
  local bytes = call('HINCRBY', P .. 'meta', 'logs', #log)
  while bytes > logs_kept do
    local oldest = call('ZRANGE', P .. 'logs', 0, 0)[1]
    drop_log(oldest:match('(%d+):(%d+)'))
    bytes = tonumber(call('HGET', P .. 'meta', 'logs'))
  end
end

local function keep_story(job, record, story, log)
  if story then
    call('HSET', P .. 'story:' .. job.seq, 'start:' .. job.token, struct.pack('>I8', now) .. record)
  end
  if log then
    keep_log(job, log)
  end
  if story or log then
    set(job, STORY, true)
  end
  local old = job.token - starts_kept
  if old > 0 and has(job, STORY) then
    drop_log(job.seq, old)
    call('HDEL', P .. 'story:' .. job.seq, 'start:' .. old)
  end
end

local function write(job, row)
  local state, run_at, ended, keep_until, tries, crashes, over, suspect, record, story, log = unpack(row, 4, 14)
  record = record or ''
  job.tries, job.crashes, job.over = tries, crashes, over
  set(job, SUSPECT, suspect)
  if run_at > 0 then
    job.run_at = run_at
  end
  keep_story(job, record, story, log)
  if ended then
    return finish(job, state, ended, keep_until, record, now)
  elseif has(job, CANCEL) then
    return finish(job, not_again[1], now, now + not_again[3], not_again[2], now)
  end
  move(job, state)
  job.holder, job.tail, again = 0, struct.pack('>I8', 0) .. record, true
  enter(job)
  put(job)
end

local function still_held(row)
  local job = get(row[1])
  return job and job.state == RUNNING and job.seq == row[2] and job.token == row[3] and job.holder == holder and job
end

-- What follows is looked at before anything is written, as if what it follows had ended already.
local function look_ahead(job, row)
  if ahead.states[job.id] then
    return
  end
  local state = (row[6] and row[4]) or (has(job, CANCEL) and not_again[1]) or row[4]
  local function add(kind, change)
    local field = kind .. ':' .. job.queue
    ahead.loads[field] = (ahead.loads[field] or 0) + change
  end
  ahead.states[job.id] = state
  add('queue', -1)
  add('busy', -payload_bytes(job))
  if state >= COMPLETED then
    add('jobs', -1)
    add('bytes', -payload_bytes(job))
  end
  for _, each in ipairs(row[15] or {}) do
    follow[#follow + 1] = each
  end
end

local function settle(place, row)
  local job = still_held(row)
  if not job then
    late[#late + 1] = place - 1
    return
  end
  local ref = text_of(job.seq)
  gone[#gone + 1] = ref
  if has(job, CANCEL) then
    call('SREM', P .. 'asked:' .. holder, ref)
  end
  write(job, row)
end

local plan, refused
if #names > 0 then
  for _, row in ipairs(settlements) do
    local job = still_held(row)
    if job then
      look_ahead(job, row)
    end
  end
  plan, refused = plan_insert(names, follow, now, dropped)
  if refused then
    return {refused}
  end
end
for place, row in ipairs(settlements) do
  settle(place, row)
end
flush()
many('HDEL', P .. 'held:' .. holder, gone)
many('HDEL', P .. 'progress', gone)
if plan then
  insert(plan, now)
end
ring('results')
ring('room')
if again or #follow > 0 then
  ring('work')
end
return {false, late}
