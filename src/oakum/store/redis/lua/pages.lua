#!lua flags=no-writes
-- pages(below, limit): names, notes of running jobs, and {first id, {id, record...}} of up to `limit` pages below, last first
local found = {}
for place, first in ipairs(call('ZREVRANGEBYLEX', P .. 'pages', ARGS[1], '-', 'LIMIT', 0, ARGS[2])) do
  found[place] = {first, call('HGETALL', P .. 'page:' .. first)}
end
return {call('HGETALL', P .. 'text'), call('HGETALL', P .. 'progress'), found}
