#!lua flags=allow-oom
-- settle(settlements, holder, now, not_again, names, starts kept, bytes of logs kept): see Store.settle.
-- A settlement: {ref, token, state, run_at, ended, keep_until, tries, crashes, over, suspect, record, story, log, follow}.
local settlements, holder, now, not_again, names, starts_kept, logs_kept = unpack(ARGS, 1, 7)
local held = P .. 'held:' .. holder
local refs, late, follow, gone = {}, {}, {}, {}
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

local function keep_story(job, each)
  if each.story then
    call('HSET', P .. 'story:' .. job.seq, 'start:' .. job.token, struct.pack('>I8', now) .. each.record)
  end
  if each.log then
    keep_log(job, each.log)
  end
  if each.story or each.log then
    set(job, STORY, true)
  end
  local old = job.token - starts_kept
  if old > 0 and has(job, STORY) then
    drop_log(job.seq, old)
    call('HDEL', P .. 'story:' .. job.seq, 'start:' .. old)
  end
end

local function write(job, each)
  job.tries, job.crashes, job.over = each.tries, each.crashes, each.over
  set(job, SUSPECT, each.suspect)
  if each.run_at > 0 then
    job.run_at = each.run_at
  end
  keep_story(job, each)
  if each.ended then
    return finish(job, each.state, each.ended, each.keep_until, each.record, now)
  elseif has(job, CANCEL) then
    return finish(job, not_again[1], now, now + not_again[3], not_again[2], now)
  end
  move(job, each.state)
  job.holder, job.tail, again = 0, struct.pack('>I8', 0) .. each.record, true
  enter(job)
  put(job)
end

local function settle(place, row, id)
  local job = id and get(id:sub(1, 16))
  if not job or job.state ~= RUNNING or job.token ~= row[2] or job.holder ~= holder then
    late[#late + 1] = place - 1
    return
  end
  gone[#gone + 1] = row[1]
  if has(job, CANCEL) then
    call('SREM', P .. 'asked:' .. holder, row[1])
  end
  write(job, {
    state = row[3], run_at = row[4], ended = row[5], keep_until = row[6], tries = row[7], crashes = row[8],
    over = row[9], suspect = row[10], record = row[11] or '', story = row[12], log = row[13],
  })
  for _, job in ipairs(row[14]) do
    follow[#follow + 1] = job
  end
end

for place, row in ipairs(settlements) do
  refs[place] = row[1]
end
for place, id in ipairs(call('HMGET', held, unpack(refs))) do
  settle(place, settlements[place], id)
end
flush()
many('HDEL', held, gone)
many('HDEL', P .. 'progress', gone)
if #follow > 0 then
  insert(names, follow, now)
end
ring('results')
if again or #follow > 0 then
  ring('work')
end
return late
