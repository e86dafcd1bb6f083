select count(*) as kinds from {{ ref('joined_texts') }}
