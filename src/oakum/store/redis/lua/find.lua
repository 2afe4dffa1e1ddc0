#!lua flags=no-writes
-- find(id): its record, names, notes on its present start, and its story; false where it is not there
local raw = record_of(ARGS[1])
if not raw then
  return false
end
local job = unpack_job(ARGS[1], raw)
return {
  raw, names_of({[job.queue] = true, [job.task] = true}), call('HGET', P .. 'progress', job.seq),
  has(job, STORY) and call('HGETALL', P .. 'story:' .. job.seq) or {},
}
