{#- A share outside of [0, 1]; null is not judged here. -#}
{% test within_zero_and_one(model, columns, key) %}
{{ config(severity=env_var('QUALITY_SEVERITY', 'error')) }}
select {{ (key + columns) | unique | join(', ') }}
from {{ model }}
where {% for column in columns %}{{ column }} < 0 or {{ column }} > 1{{ ' or ' if not loop.last }}{% endfor %}
{% endtest %}
