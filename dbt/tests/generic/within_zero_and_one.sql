{% test within_zero_and_one(model, columns) %}
select {{ columns | join(', ') }}
from {{ model }}
where {% for column in columns %}{{ column }} < 0 or {{ column }} > 1{{ ' or ' if not loop.last }}{% endfor %}
{% endtest %}
