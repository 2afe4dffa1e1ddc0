#!lua flags=allow-oom
-- prune(now, limit): see Store.prune
local now, limit = unpack(ARGS)
local stale = call('ZRANGEBYSCORE', P .. 'stale', '-inf', now, 'LIMIT', 0, limit)
many('HDEL', P .. 'idempotency', stale)
many('ZREM', P .. 'stale', stale)
local gone = {}
local over = call('ZRANGEBYSCORE', P .. 'ended', '-inf', now, 'LIMIT', 0, limit)
for _, job in ipairs(by_seat(over)) do
  count(job, job.state, -1)
  local flow = job.queue .. ':' .. job.task
  gone[flow] = (gone[flow] or 0) + 1
  if has(job, STORY) then
    drop_story(job.seq)
  end
  take_out(job)
end
many('ZREM', P .. 'ended', over)
flush()
add_up(P .. 'gone', gone)
return #over
