-- name: act_as_loader
-- From version 16 on a member may lack the right to set the role.
SELECT set_config('role', roles.rolname, false)
FROM pg_roles AS roles
WHERE
    roles.rolname = 'conn_loader'
    AND pg_has_role(
        session_user, roles.oid,
        CASE WHEN current_setting('server_version_num')::integer < 160000 THEN 'MEMBER' ELSE 'SET' END
    );

-- name: act_as_owner
-- Indexes and partitions are the owner's; whoever may not act as it is told so by the server.
SET ROLE conn_owner;

-- name: label
SELECT set_config('application_name', :name, false);
