#!lua flags=allow-oom
-- track(queue, above, limit): puts the waiting jobs of a queue in order of age, `limit` pages at a time; where to go on,
-- or false. Those that come in meanwhile see to themselves.
local name, above, limit = unpack(ARGS)
local queue = make_number(name)
local pages = call('ZRANGEBYLEX', P .. 'pages', above, '+', 'LIMIT', 0, limit)
for _, first in ipairs(pages) do
  local all = call('HGETALL', P .. 'page:' .. first)
  for place = 1, #all, 2 do
    local job = unpack_job(all[place], all[place + 1])
    if job.queue == queue and job.state < COMPLETED and job.state ~= RUNNING then
      call('ZADD', P .. 'waiting:' .. queue, job.seq, seat(job))
    end
  end
end
if #pages == limit then
  return pages[limit]
end
call('SADD', P .. 'tracked', name)
return false
