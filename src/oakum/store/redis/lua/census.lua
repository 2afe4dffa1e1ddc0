#!lua flags=no-writes
-- census(above, limit): where to go on, or false; names; jobs and bytes by queue:task:state of up to `limit` pages above; how
-- many of them run for a holder that there is not; queue and key of each that is held although nobody has its key
local above, limit = unpack(ARGS)
local pages = call('ZRANGEBYLEX', P .. 'pages', above, '+', 'LIMIT', 0, limit)
local jobs, bytes, orphans, stuck = {}, {}, 0, {}
for _, first in ipairs(pages) do
  local all = call('HGETALL', P .. 'page:' .. first)
  for place = 1, #all, 2 do
    local job = unpack_job(all[place], all[place + 1])
    local field = job.queue .. ':' .. job.task .. ':' .. job.state
    jobs[field] = (jobs[field] or 0) + 1
    bytes[field] = (bytes[field] or 0) + payload_bytes(job)
    if job.state == RUNNING and call('EXISTS', P .. 'holder:' .. job.holder) == 0 then
      orphans = orphans + 1
    elseif job.state == HELD and call('EXISTS', places_of(job, bonds_of(job).key)) == 0 then
      stuck[#stuck + 1] = {job.queue, bonds_of(job).key}
    end
  end
end
local found = {}
for field, number in pairs(jobs) do
  found[#found + 1] = {field, number, bytes[field]}
end
return {pages[limit] or false, call('HGETALL', P .. 'text'), found, orphans, stuck}
