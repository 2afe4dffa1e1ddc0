#!lua flags=no-writes
-- next_due(now): see Store.next_due; false for never
local least = false

local function look_at(moment)
  if moment and (not least or moment < least) then
    least = moment
  end
end

for _, key in ipairs({'due', 'expiring'}) do
  look_at(tonumber(call('ZRANGE', P .. key, 0, 0, 'WITHSCORES')[2]))
end
for _, each in ipairs(spent_rates(ARGS[1])) do
  look_at(each[3])
end
return least
