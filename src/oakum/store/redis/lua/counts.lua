#!lua flags=no-writes
-- counts(): names, jobs and bytes by queue:task:state
return {call('HGETALL', P .. 'text'), call('HGETALL', P .. 'jobs'), call('HGETALL', P .. 'bytes')}
