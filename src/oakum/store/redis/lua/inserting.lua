-- Jobs on their way in. A job comes as {id, queue, task, priority, run_at, flags, what, bonds}, its names as places in a list.

local function numbers_of(names)
  local numbers = {}
  for place, text in ipairs(names) do
    numbers[place] = make_number(text)
  end
  return numbers
end

local function job_of(row, numbers, now)
  local job = {
    id = row[1], queue = numbers[row[2]], task = numbers[row[3]], priority = row[4], run_at = row[5], flags = row[6],
    what = row[7], bonds = row[8], state = AVAILABLE, token = 0, holder = 0, tries = 0, crashes = 0, over = 0, tail = '',
  }
  if job.run_at > now then
    job.state = SCHEDULED
  elseif job.run_at == 0 then
    job.run_at = now
  end
  return job
end

-- Who has one of the keys that a job wants, if anybody.
local function owner_of(bonds, now)
  local owner = bonds.unique and call('HGET', P .. 'unique', bonds.unique)
  if owner then
    return owner
  end
  owner = bonds.idempotency and call('HGET', P .. 'idempotency', bonds.idempotency)
  if owner then
    local stale = tonumber(call('ZSCORE', P .. 'stale', bonds.idempotency) or nil)
    if not stale or stale > now then
      return owner
    end
  end
end

local function take_keys(job, bonds)
  if bonds.unique then
    call('HSET', P .. 'unique', bonds.unique, job.id)
  end
  if bonds.idempotency then
    call('HSET', P .. 'idempotency', bonds.idempotency, job.id)
    call('ZREM', P .. 'stale', bonds.idempotency)
  end
end

-- Puts jobs in; answers {place, id} of each whose key another holds. Places count from 0.
local function insert(names, rows, now)
  local numbers = numbers_of(names)
  local marks = {}
  local seq = call('HINCRBY', P .. 'meta', 'seq', #rows) - #rows
  for place, row in ipairs(rows) do
    local job = job_of(row, numbers, now)
    local bonds = bonds_of(job)
    local owner = owner_of(bonds, now)
    if owner and owner ~= job.id then
      marks[#marks + 1] = {place - 1, owner}
    elseif not owner then
      local page = page_of(job.id)
      if call('HEXISTS', page, job.id) == 0 then
        job.seq = seq + place
        put_new(job, page)
        take_keys(job, bonds)
        count(job, job.state, 1)
        enter(job)
      end
    end
  end
  flush()
  return marks
end
