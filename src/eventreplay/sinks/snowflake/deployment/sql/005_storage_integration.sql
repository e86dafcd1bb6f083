-- scope: account
-- option: external-stage
-- needs: storage_role_arn storage_url
-- Snowflake reads the bucket by taking on a role of yours: no key stands anywhere. DESCRIBE INTEGRATION says whom
-- that role has to trust (STORAGE_AWS_IAM_USER_ARN and STORAGE_AWS_EXTERNAL_ID).

CREATE STORAGE INTEGRATION IF NOT EXISTS "&{storage_integration}"
  TYPE = EXTERNAL_STAGE STORAGE_PROVIDER = 'S3' ENABLED = TRUE
  STORAGE_AWS_ROLE_ARN = '&{storage_role_arn}' STORAGE_ALLOWED_LOCATIONS = ('&{storage_url}');
GRANT USAGE ON INTEGRATION "&{storage_integration}" TO ROLE "&{owner}";
