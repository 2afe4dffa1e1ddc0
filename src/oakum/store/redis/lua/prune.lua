#!lua flags=allow-oom
-- prune(now, limit): see Store.prune
local now, limit = unpack(ARGS)
local stale = call('ZRANGEBYSCORE', P .. 'stale', '-inf', now, 'LIMIT', 0, limit)
many('HDEL', P .. 'idempotency', stale)
many('ZREM', P .. 'stale', stale)
many('ZREM', P .. 'arrivals', call('ZRANGEBYSCORE', P .. 'arrivals', '-inf', now, 'LIMIT', 0, limit))
local gone = {}

local function drop_story(ref)
  for _, field in ipairs(call('HKEYS', P .. 'story:' .. ref)) do
    local token = field:match('^log:(.*)')
    if token then
      drop_log(ref, token)
    end
  end
  call('DEL', P .. 'story:' .. ref)
end

local over = call('ZRANGEBYSCORE', P .. 'ended', '-inf', now, 'LIMIT', 0, limit)
for _, member in ipairs(over) do
  local job = get(member:sub(7))
  count(job, job.state, -1)
  local flow = job.queue .. ':' .. job.task
  gone[flow] = (gone[flow] or 0) + 1
  if has(job, STORY) then
    drop_story(job.seq)
  end
  local unique = bonds_of(job).unique
  if unique and call('HGET', P .. 'unique', unique) == job.id then
    call('HDEL', P .. 'unique', unique)
  end
  take_out(job)
end
many('ZREM', P .. 'ended', over)
flush()
add_up(P .. 'gone', gone)
return #over
