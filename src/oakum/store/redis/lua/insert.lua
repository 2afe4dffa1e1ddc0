#!lua
-- insert(names, jobs, now)
local marks = insert(unpack(ARGS))
ring('work')
return marks
