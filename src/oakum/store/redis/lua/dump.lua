#!lua flags=no-writes
-- dump(above, ended): of the first page above, its first id, names, and {id, record, keep until, placed, story} of each job
-- that has ended, or that waits; false where there is no page
local above, ended = unpack(ARGS)
local first = call('ZRANGEBYLEX', P .. 'pages', above, '+', 'LIMIT', 0, 1)[1]
if not first then
  return false
end
local found = {}
local all = call('HGETALL', P .. 'page:' .. first)
for place = 1, #all, 2 do
  local job = unpack_job(all[place], all[place + 1])
  if job.state ~= RUNNING and (job.state >= COMPLETED) == ended then
    found[#found + 1] = {
      job.id, all[place + 1], call('ZSCORE', P .. 'ended', seat(job)), has(job, PLACED) and 1 or 0,
      has(job, STORY) and call('HGETALL', P .. 'story:' .. job.seq) or {},
    }
  end
end
return {first, call('HGETALL', P .. 'text'), found}
