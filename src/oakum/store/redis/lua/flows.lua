#!lua flags=no-writes
-- flows(): names, counts by queue:task:state, pruned by queue:task, and queue:task, run_at of the oldest that is ready
local PRIORITIES = 100  -- looked at in one line: more are not in use anywhere
local oldest = {}

-- The least start time of a line: that of the first of each priority is the least of its priority.
local function oldest_of(key)
  local least, above = nil, '-inf'
  for _ = 1, PRIORITIES do
    local first = call('ZRANGEBYSCORE', key, above, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
    if #first == 0 then
      break
    end
    local run_at = struct.unpack('>I6', first[1])
    least, above = math.min(least or run_at, run_at), '(' .. first[2]
  end
  return least
end

for _, number in ipairs(call('HVALS', P .. 'number')) do
  for _, task in ipairs(call('SMEMBERS', P .. 'open:' .. number)) do
    oldest[#oldest + 1] = number .. ':' .. task
    oldest[#oldest + 1] = oldest_of(ready_key(number, task))
  end
end
return {call('HGETALL', P .. 'text'), call('HGETALL', P .. 'jobs'), call('HGETALL', P .. 'gone'), oldest}
