#!lua flags=no-writes
-- space(): what the server tells of its memory, and the bytes that it may take by the rules; false where they don't say
return {call('INFO', 'memory'), rules_of('store', '').max_bytes or false}
