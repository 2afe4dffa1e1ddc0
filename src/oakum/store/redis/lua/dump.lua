#!lua flags=no-writes
-- dump(after, ended, room): of one page, the jobs behind the id `after` until their records have `room` bytes: the last id that
-- was looked at, names, and {id, record, keep until, placed, story} of each that has ended, or that waits; false where none is behind
local after, ended, room = unpack(ARGS)

local function behind(page)
  local ids = {}
  for _, id in ipairs(call('HKEYS', page)) do
    if precedes(after, id) then
      ids[#ids + 1] = id
    end
  end
  table.sort(ids, precedes)
  return ids
end

local page = page_of(after)
local ids = behind(page)
if #ids == 0 then
  local first = call('ZRANGEBYLEX', P .. 'pages', '(' .. after, '+', 'LIMIT', 0, 1)[1]
  if not first then
    return false
  end
  page = P .. 'page:' .. first
  ids = behind(page)
end
local found, last = {}, nil
for _, id in ipairs(ids) do
  local raw = call('HGET', page, id)
  local job = unpack_job(id, raw)
  if job.state ~= RUNNING and (job.state >= COMPLETED) == ended then
    found[#found + 1] = {
      id, raw, call('ZSCORE', P .. 'ended', seat(job)), has(job, PLACED) and 1 or 0,
      has(job, STORY) and call('HGETALL', P .. 'story:' .. job.seq) or {},
    }
    room = room - #raw
  end
  last = id
  if room <= 0 then
    break
  end
end
return {last, call('HGETALL', P .. 'text'), found}
