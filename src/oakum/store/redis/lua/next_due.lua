#!lua flags=no-writes
-- next_due(now): see Store.next_due; false for never
local now = ARGS[1]
local least = false

local function look_at(moment)
  if moment and (not least or moment < least) then
    least = moment
  end
end

local function look_at_rate(kind, number, name)
  local rate = rules_of(kind, name).rate
  if rate and may_start(rate, kind .. ':' .. number, now) == 0 then
    look_at(opens(rate, kind .. ':' .. number))
  end
end

for _, key in ipairs({'due', 'expiring'}) do
  look_at(tonumber(call('ZRANGE', P .. key, 0, 0, 'WITHSCORES')[2]))
end
if call('EXISTS', P .. 'declared:queue', P .. 'override:queue', P .. 'declared:task', P .. 'override:task') > 0 then
  for _, number in ipairs(call('HVALS', P .. 'number')) do
    for place, task in ipairs(call('SMEMBERS', P .. 'open:' .. number)) do
      if place == 1 then
        look_at_rate('queue', number, name_of(number))
      end
      look_at_rate('task', task, name_of(task))
    end
  end
end
return least
