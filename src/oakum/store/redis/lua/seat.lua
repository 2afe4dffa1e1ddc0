#!lua flags=allow-oom
-- seat(queue, cursor, count): gives places to held jobs of a queue whose keys have more of them now, about `count` keys of
-- the store at a time; where to go on, or false.
local queue = make_number(ARGS[1])
local before = P .. 'line:' .. queue .. ':'
local pattern = before:gsub('[%*%?%[%]\\]', '\\%0') .. '*'
local cursor, lines = unpack(call('SCAN', ARGS[2], 'MATCH', pattern, 'COUNT', ARGS[3]))
for _, line in ipairs(lines) do
  pass_on(queue, line:sub(#before + 1))
end
flush()
ring('work')
return cursor ~= '0' and cursor
