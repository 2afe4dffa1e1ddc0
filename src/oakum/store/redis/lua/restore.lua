#!lua
-- restore(names, rows): puts jobs in as they are, but for those that are there; how many were new. A row begins as for
-- insert, then {state, seq, token, tries, crashes, over, suspect, placed, ended, keep until, record, starts, logs}.
check_arriving()
local names, rows = unpack(ARGS)
local numbers = {}
for place, text in ipairs(names) do
  numbers[place] = make_number(text)
end

local function read(row)
  local job = {
    id = row[1], queue = numbers[row[2]], task = numbers[row[3]], priority = row[4], run_at = row[5], flags = row[6],
    what = row[7], bonds = row[8], state = row[9], seq = row[10], token = row[11], holder = 0, tries = row[12],
    crashes = row[13], over = row[14], tail = '', keep = row[18], starts = row[20], logs = row[21],
  }
  set(job, SUSPECT, row[15])
  set(job, PLACED, row[16])
  set(job, STORY, #job.starts + #job.logs > 0)
  if row[17] or row[19] then
    job.tail = struct.pack('>I8', row[17] or 0) .. (row[19] or '')
  end
  return job
end

local function write_story(job)
  local story = P .. 'story:' .. job.seq
  for _, start in ipairs(job.starts) do
    call('HSET', story, 'start:' .. start[1], struct.pack('>I8', start[2]) .. start[3])
  end
  for _, log in ipairs(job.logs) do
    call('HSET', story, 'log:' .. log[1], log[2])
    call('ZADD', P .. 'logs', job.seq, job.seq .. ':' .. log[1])
    call('HINCRBY', P .. 'meta', 'logs', #log[2])
  end
end

local function write(job)
  count(job, job.state, 1)
  if job.state >= COMPLETED then
    put_in(P .. 'ended', seat(job), job.keep)
  else
    enter(job)
  end
  if has(job, PLACED) then
    call('ZADD', places_of(job, bonds_of(job).key), 0, seat(job))
  end
  write_story(job)
  put(job)
end

local new, last = 0, tonumber(call('HGET', P .. 'meta', 'seq') or 0)
for _, row in ipairs(rows) do
  if is_new(row[1]) then
    local job = read(row)
    give_page(job.id)
    write(job)
    new, last = new + 1, math.max(last, job.seq)
  end
end
flush()
keep_top()
call('HSET', P .. 'meta', 'seq', text_of(last))
return new
