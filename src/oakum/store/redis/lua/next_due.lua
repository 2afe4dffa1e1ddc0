#!lua flags=no-writes
-- next_due(): see Store.next_due; false for never
local least = false
for _, key in ipairs({'due', 'expiring'}) do
  local first = tonumber(call('ZRANGE', P .. key, 0, 0, 'WITHSCORES')[2])
  if first and (not least or first < least) then
    least = first
  end
end
return least
